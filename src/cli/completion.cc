// SPDX-License-Identifier: Apache-2.0
#include "cli/completion.h"

#include "base/error.h"
#include "base/strings.h"

namespace servin::cli {
namespace {

constexpr std::string_view bash = R"(# bash completion for servin
_servin() {
    local IFS=$'\n' line kind
    COMPREPLY=()
    while read -r line; do
        case $line in
            :*) kind=$line ;;
            *) COMPREPLY+=("$line") ;;
        esac
    done < <(command "${COMP_WORDS[0]}" __complete bash "$COMP_LINE" "$COMP_POINT" 2>/dev/null)
    case $kind in
        :files) compopt -o default ;;
        :folders) compopt -o dirnames ;;
        :nospace) compopt -o nospace ;;
    esac
}
complete -F _servin servin
)";

constexpr std::string_view zsh = R"(#compdef servin
# zsh completion for servin
_servin() {
    local line kind word text tab=$'\t'
    local -a described
    for line in "${(@f)$(command "${words[1]}" __complete zsh "${(@)words[2,CURRENT]}" 2>/dev/null)}"; do
        if [[ $line == :* ]]; then
            kind=$line
        elif [[ -n $line ]]; then
            word=${line%%$tab*}
            text=
            [[ $line == *$tab* ]] && text=${line#*$tab}
            described+=("${word//:/\\:}${text:+:$text}")
        fi
    done
    case $kind in
        :files) _files ;;
        :folders) _files -/ ;;
        :nospace) _describe -V servin described -S '' ;;
        *) _describe -V servin described ;;
    esac
}
if [[ $zsh_eval_context[-1] == loadautofunc ]]; then
    _servin "$@"
else
    compdef _servin servin
fi
)";

constexpr std::string_view fish = R"(# fish completion for servin
function __servin_complete
    set -l words (commandline -opc) (commandline -ct)
    set -l program $words[1]
    set -e words[1]
    for line in (command $program __complete fish $words 2>/dev/null)
        switch $line
            case ':files' ':folders'
                __fish_complete_path (commandline -ct)
            case ':*'
            case '*'
                printf '%s\n' $line
        end
    end
end
complete -c servin -f -a '(__servin_complete)'
)";

constexpr std::string_view powershell = R"(# PowerShell completion for servin
Register-ArgumentCompleter -Native -CommandName servin -ScriptBlock {
    param($wordToComplete, $commandAst, $cursorPosition)
    $words = @($commandAst.CommandElements | Select-Object -Skip 1 | ForEach-Object { $_.ToString() })
    if ($wordToComplete -eq '') { $words += '' }
    & $commandAst.CommandElements[0].ToString() __complete powershell @words 2>$null |
        Where-Object { -not $_.StartsWith(':') } |
        ForEach-Object {
            $parts = $_ -split "`t", 2
            $text = if ($parts.Count -gt 1) { $parts[1] } else { $parts[0] }
            [System.Management.Automation.CompletionResult]::new($parts[0], $parts[0], 'ParameterValue', $text)
        }
}
)";

}  // namespace

std::vector<std::string> completion_shells() { return {"bash", "zsh", "fish", "powershell"}; }

std::string completion_script(std::string_view shell) {
  if (shell == "bash") return std::string(bash);
  if (shell == "zsh") return std::string(zsh);
  if (shell == "fish") return std::string(fish);
  if (shell == "powershell" || shell == "pwsh") return std::string(powershell);
  std::string hint = did_you_mean_hint(shell, completion_shells());
  throw error(ErrorCode::invalid_argument, "completion: there is no script for the shell \"{}\"", shell)
      .with_id("E-OPTION-VALUE")
      .with_hint(hint.empty() ? "bash, zsh, fish or powershell" : hint);
}

}  // namespace servin::cli
